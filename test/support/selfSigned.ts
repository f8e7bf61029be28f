/** A self-signed certificate for tests of TLS, made here because Node.js can sign but not issue certificates. */
import { generateKeyPairSync, randomBytes, sign } from "node:crypto";
import { isIP } from "node:net";

function der(tag: number, ...parts: Buffer[]): Buffer {
  const body = Buffer.concat(parts);
  const size = body.length;
  const length = size < 128 ? [size] : size < 256 ? [0x81, size] : [0x82, size >> 8, size & 0xff];
  return Buffer.concat([Buffer.from([tag, ...length]), body]);
}

const sequence = (...parts: Buffer[]) => der(0x30, ...parts);
const oid = (hex: string) => der(0x06, Buffer.from(hex, "hex"));
const time = (date: Date) => der(0x17, Buffer.from(`${date.toISOString().replace(/[-:T]/g, "").slice(2, 14)}Z`));

const ECDSA_WITH_SHA256 = sequence(oid("2a8648ce3d040302"));
const COMMON_NAME = oid("550403");
const SUBJECT_ALT_NAME = oid("551d11");
const BASIC_CONSTRAINTS = oid("551d13");

const DAY_MS = 86_400_000;

export interface CertificateDetails {
  /** Its serial number in hexadecimal, of at most 16 digits and the first below 8. Default: random. */
  readonly serialNumber?: string;
  /** Default: in a day. */
  readonly validTo?: Date;
  /** Its common name. Default: one of its own. */
  readonly commonName?: string;
}

/** @param host The only host name or IPv4 address that the certificate is good for. */
export function selfSigned(
  host: string,
  { serialNumber, validTo = new Date(Date.now() + DAY_MS), commonName }: CertificateDetails = {},
): { certificate: string; key: string } {
  const { privateKey, publicKey } = generateKeyPairSync("ec", { namedCurve: "P-256" });
  const serial =
    serialNumber === undefined ? Buffer.concat([Buffer.from([1]), randomBytes(8)]) : Buffer.from(serialNumber, "hex");
  // A name of its own: among several authorities of one name, OpenSSL may take the wrong one.
  const named = commonName ?? `test ${serial.toString("hex")}`;
  const name = sequence(der(0x31, sequence(COMMON_NAME, der(0x0c, Buffer.from(named)))));
  const alternative = isIP(host) ? der(0x87, Buffer.from(host.split(".").map(Number))) : der(0x82, Buffer.from(host));
  const extensions = sequence(
    sequence(SUBJECT_ALT_NAME, der(0x04, sequence(alternative))),
    sequence(BASIC_CONSTRAINTS, der(0x01, Buffer.from([0xff])), der(0x04, sequence(der(0x01, Buffer.from([0xff]))))),
  );
  const body = sequence(
    der(0xa0, der(0x02, Buffer.from([2]))),
    der(0x02, serial),
    ECDSA_WITH_SHA256,
    name,
    sequence(time(new Date(Math.min(Date.now(), validTo.getTime()) - DAY_MS)), time(validTo)),
    name,
    publicKey.export({ type: "spki", format: "der" }),
    der(0xa3, extensions),
  );
  const signature = sign("sha256", body, privateKey);
  const certificate = sequence(body, ECDSA_WITH_SHA256, der(0x03, Buffer.from([0]), signature));
  const lines = certificate
    .toString("base64")
    .match(/.{1,64}/g)!
    .join("\n");
  return {
    certificate: `-----BEGIN CERTIFICATE-----\n${lines}\n-----END CERTIFICATE-----\n`,
    key: privateKey.export({ type: "pkcs8", format: "pem" }) as string,
  };
}
