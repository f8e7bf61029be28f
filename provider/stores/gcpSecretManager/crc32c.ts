/**
 * CRC32C, by which Secret Manager checks payloads on their way:
 * https://cloud.google.com/secret-manager/docs/data-integrity
 */
const TABLE = Uint32Array.from({ length: 256 }, (_zero, byte) => {
  let crc = byte;
  for (let bit = 0; bit < 8; bit++) crc = crc & 1 ? (crc >>> 1) ^ 0x82f63b78 : crc >>> 1;
  return crc;
});

export function crc32c(data: Uint8Array): number {
  let crc = 0xffffffff;
  for (const byte of data) crc = (TABLE[(crc ^ byte) & 0xff] ?? 0) ^ (crc >>> 8);
  return (crc ^ 0xffffffff) >>> 0;
}
