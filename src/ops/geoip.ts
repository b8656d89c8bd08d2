/**
 * Where an address is, by a database of the operator's (MaxMind DB format: GeoLite2 City, DB-IP, IPinfo and others), read
 * into memory once. Nothing is asked of anybody.
 * @module
 */
import { readFileSync } from "node:fs";
import { isIP } from "node:net";
import { type CityResponse, Reader } from "mmdb-lib";
import type { Location } from "../actors/balancer/candidate.ts";
import { CliError, exitCodes } from "./cli/exit-code.ts";

/** Undefined: the database does not know. */
export type Locate = (address: string) => Location | undefined;

/** IPv4 in the form that a socket of both families tells it. */
const mapped = /^::ffff:(\d+\.\d+\.\d+\.\d+)$/i;

/** Throws what the operator has to correct. */
export function openGeoip(file: string): Locate {
  const reader = readerOf(file);
  return (address) => {
    const plain = mapped.exec(address)?.[1] ?? address;
    const version = isIP(plain);
    // The library takes anything for an address, and walks a tree of shorter ones past its end.
    if (version === 0 || version > reader.metadata.ipVersion) return undefined;
    const { latitude, longitude } = reader.get(plain)?.location ?? {};
    return latitude === undefined || longitude === undefined ? undefined : { latitude, longitude };
  };
}

function readerOf(file: string): Reader<CityResponse> {
  let data: Buffer;
  try {
    data = readFileSync(file);
  } catch (error) {
    throw new CliError(exitCodes.usage, `Cannot read ${file}: ${(error as Error).message}`, { cause: error });
  }
  try {
    return new Reader<CityResponse>(data);
  } catch (error) {
    const what = `${file} is no database in MaxMind DB format: ${(error as Error).message}`;
    throw new CliError(exitCodes.usage, `${what}; balancing.geoip.file wants an .mmdb file with locations`, {
      cause: error,
    });
  }
}
