#!/usr/bin/env node
/**
 * The `weir` command: finds Bun and runs the command line with it.
 * @module
 */
import { launch } from "../tools/launch.mjs";

launch("weir", process.argv.slice(2));
