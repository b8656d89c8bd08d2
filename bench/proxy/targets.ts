/**
 * The proxies that are compared: each one process with one thread, in front of the same backend, without a log.
 * @module
 */
import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";

export type ProxyName = "weir" | "haproxy" | "nginx";
export type ProxyTarget = {
  readonly name: ProxyName;
  readonly version: string;
  /** How it is started; undefined: it is not installed. */
  command(ports: { readonly own: number; readonly backend: number }, folder: string): readonly string[];
};

const main = join(import.meta.dir, "../../src/ops/cli/main.ts");
/** More than a scenario lasts. */
const longSeconds = 3_600;

const haproxyConfig = (own: number, backend: number): string => `global
  nbthread 1
  maxconn 5000
defaults
  mode http
  timeout connect 3s
  timeout client ${longSeconds}s
  timeout server ${longSeconds}s
  timeout tunnel ${longSeconds}s
  option forwardfor
listen proxy
  bind 127.0.0.1:${own}
  server one 127.0.0.1:${backend}
`;

const nginxConfig = (own: number, backend: number, folder: string): string => `daemon off;
master_process off;
worker_processes 1;
pid ${folder}/nginx.pid;
error_log ${folder}/error.log crit;
events { worker_connections 10000; }
http {
  access_log off;
  client_body_temp_path ${folder}/body;
  proxy_temp_path ${folder}/proxy;
  fastcgi_temp_path ${folder}/fastcgi;
  uwsgi_temp_path ${folder}/uwsgi;
  scgi_temp_path ${folder}/scgi;
  upstream one { server 127.0.0.1:${backend}; }
  server {
    listen 127.0.0.1:${own} backlog=4096;
    location / {
      proxy_pass http://one;
      proxy_http_version 1.1;
      proxy_set_header Upgrade $http_upgrade;
      proxy_set_header Connection "upgrade";
      proxy_set_header Host $host;
      proxy_set_header X-Forwarded-For $proxy_add_x_forwarded_for;
      proxy_read_timeout ${longSeconds}s;
      proxy_send_timeout ${longSeconds}s;
    }
  }
}
`;

const configured = (folder: string, text: string): string => {
  mkdirSync(folder, { recursive: true });
  const path = join(folder, "proxy.conf");
  writeFileSync(path, text);
  return path;
};

/** Those that are installed here; Weir is. */
export function proxyTargets(): readonly ProxyTarget[] {
  const haproxy = installed("haproxy", /version (\S+)/);
  const nginx = installed("nginx", /nginx\/(\S+)/);
  return [
    {
      name: "weir",
      version: `Bun ${Bun.version}`,
      command: ({ own, backend }) => [
        ...[process.execPath, main, "balance", "--listen", `127.0.0.1:${own}`],
        ...["--backend", `ws://127.0.0.1:${backend}`, "--admin", "off", "--log-level", "error"],
      ],
    },
    ...(haproxy === undefined
      ? []
      : [
          {
            name: "haproxy" as const,
            version: haproxy.version,
            command: ({ own, backend }: { own: number; backend: number }, folder: string) => [
              ...[haproxy.path, "-db", "-f", configured(folder, haproxyConfig(own, backend))],
            ],
          },
        ]),
    ...(nginx === undefined
      ? []
      : [
          {
            name: "nginx" as const,
            version: nginx.version,
            command: ({ own, backend }: { own: number; backend: number }, folder: string) => [
              ...[nginx.path, "-p", folder, "-c", configured(folder, nginxConfig(own, backend, folder))],
            ],
          },
        ]),
  ];
}

/** Debian has both where a user's PATH does not look. */
function installed(name: string, pattern: RegExp): { readonly path: string; readonly version: string } | undefined {
  const path = Bun.which(name, { PATH: `${process.env["PATH"] ?? ""}:/usr/sbin:/usr/local/sbin` });
  if (path === null) return undefined;
  const { stdout, stderr } = Bun.spawnSync([path, "-v"]);
  return { path, version: pattern.exec(`${stdout}${stderr}`)?.[1] ?? "of an unknown version" };
}
