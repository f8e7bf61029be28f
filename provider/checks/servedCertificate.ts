/** What one address serves by TLS, and what is wrong with it. */
import * as net from "node:net";
import * as tls from "node:tls";
import { describeDuration } from "../lifecycle/duration";

export interface ServedCertificate {
  /** Hexadecimal, without colons and leading zeros, in lower case. */
  readonly serialNumber: string;
  /** SHA-256 of the certificate, in the same form. */
  readonly fingerprint: string;
  /** In ms since the epoch. */
  readonly validTo: number;
}

export interface TlsAddress {
  readonly address: string;
  readonly port: number;
  /** What the certificate has to be good for; sent as SNI where it is no address. */
  readonly servername: string;
  /** PEM; trusted in place of the authorities that Node trusts. */
  readonly authorities?: string | undefined;
}

/** @throws a network error, also where the certificate is not trusted, has expired or is for another name. */
export function fetchCertificate(where: TlsAddress, signal: AbortSignal): Promise<ServedCertificate> {
  return new Promise((resolve, reject) => {
    const { address, port, servername, authorities } = where;
    const socket = tls.connect({
      host: address,
      port,
      // For an address there is no SNI; what the certificate is good for is compared all the same.
      ...(net.isIP(servername) ? {} : { servername }),
      checkServerIdentity: (_host, certificate) => tls.checkServerIdentity(servername, certificate),
      ...(authorities === undefined ? {} : { ca: authorities }),
    });
    const end = () => socket.destroy();
    // The name may have been looked up for longer than there was time.
    if (signal.aborted) end();
    signal.addEventListener("abort", end, { once: true });
    socket.on("secureConnect", () => {
      const certificate = socket.getPeerX509Certificate();
      if (certificate) {
        const { serialNumber, fingerprint256, validTo } = certificate;
        resolve({
          serialNumber: normalHex(serialNumber),
          fingerprint: normalHex(fingerprint256),
          validTo: Date.parse(validTo),
        });
      }
      end();
    });
    socket.on("error", reject);
    socket.on("close", () => {
      signal.removeEventListener("abort", end);
      reject(Object.assign(new Error("closed"), { code: "ECONNRESET" }));
    });
  });
}

const HEX = /^[0-9a-f]+$/;

/** @returns whether it is a number in hexadecimal, as certificates are named by: `0A:1B`, `0a1b`. */
export function isHex(text: string): boolean {
  return HEX.test(text.replaceAll(":", "").toLowerCase());
}

export function normalHex(text: string): string {
  const digits = text.replaceAll(":", "").toLowerCase();
  return digits.replace(/^0+(?=.)/, "");
}

export interface WantedCertificate {
  /** In the form of {@link normalHex}. */
  readonly serialNumber?: string | undefined;
  readonly fingerprint?: string | undefined;
  readonly minRemainingMs: number;
}

/** @returns what is wrong with it; `undefined` where it is as wanted. */
export function complaintAbout(served: ServedCertificate, wanted: WantedCertificate, now: number): string | undefined {
  const { serialNumber, fingerprint, minRemainingMs } = wanted;
  if (serialNumber !== undefined && served.serialNumber !== serialNumber)
    return `serves another certificate, with serial number ${served.serialNumber}`;
  if (fingerprint !== undefined && served.fingerprint !== fingerprint)
    return `serves another certificate, with SHA-256 fingerprint ${served.fingerprint}`;
  const left = served.validTo - now;
  if (left <= 0) return `its certificate expired ${new Date(served.validTo).toISOString()}`;
  if (left < minRemainingMs)
    return `its certificate expires ${new Date(served.validTo).toISOString()}, in less than ${describeDuration(minRemainingMs)}`;
  return undefined;
}
