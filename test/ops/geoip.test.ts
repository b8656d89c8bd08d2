import { afterAll, describe, expect, test } from "bun:test";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { openGeoip } from "../../src/ops/geoip.ts";
import { mmdbFile } from "../support/mmdb-file.ts";

const folder = mkdtempSync(join(tmpdir(), "weir-geoip-"));
afterAll(() => rmSync(folder, { recursive: true }));

function written(name: string, data: Uint8Array | string): string {
  const file = join(folder, name);
  writeFileSync(file, data);
  return file;
}

const berlin = { latitude: 52.52, longitude: 13.405 };
const sydney = { latitude: -33.8688, longitude: 151.2093 };
const networks = [
  { address: [192, 0, 2, 0], prefix: 24, location: berlin },
  { address: [198, 51, 100, 128], prefix: 25 },
  { address: [0x20, 0x01, 0x0d, 0xb8, ...new Array<number>(12).fill(0)], prefix: 32, location: sydney },
];

describe("openGeoip()", () => {
  const locate = openGeoip(written("city.mmdb", mmdbFile(networks)));

  test("finds the place of an address, IPv4 also as a socket of both families tells it", () => {
    expect(locate("192.0.2.77")).toEqual(berlin);
    expect(locate("::ffff:192.0.2.77")).toEqual(berlin);
    expect(locate("2001:db8::17")).toEqual(sydney);
  });

  test("knows nothing of addresses outside, networks without a place, and what is no address", () => {
    for (const address of ["192.0.3.1", "198.51.100.200", "2001:db9::1", "", "localhost", "192.0.2", "fe80::1%eth0"])
      expect(locate(address)).toBeUndefined();
  });

  test("knows nothing of IPv6 in a database of IPv4", () => {
    const short = openGeoip(written("v4.mmdb", mmdbFile(networks.slice(0, 1), { ipVersion: 4 })));
    expect(short("192.0.2.1")).toEqual(berlin);
    expect(short("c000:200::1")).toBeUndefined(); // The bits of 192.0.2.0.
  });

  test("says which file cannot be read, or is no database", () => {
    const missing = join(folder, "missing.mmdb");
    expect(() => openGeoip(missing)).toThrow(`Cannot read ${missing}: `);
    const text = written("text.mmdb", "not a database");
    expect(() => openGeoip(text)).toThrow(`${text} is no database in MaxMind DB format: `);
  });
});
