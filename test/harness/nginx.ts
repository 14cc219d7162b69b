import { writeFileSync } from 'node:fs'
import { connect } from 'node:net'
import { join } from 'node:path'
import { type Server, startServer } from './server.js'
import { toolPath } from './tool.js'

/**
 * nginx, which serves what `servers` says in its own language; it is told the folder, which holds `files`, and the port.
 * `NGINX_PATH` names the program to use.
 */
export async function startNginx(
  servers: (folder: string, port: number) => string,
  files: Readonly<Record<string, string>> = {},
): Promise<Server> {
  const program = process.env.NGINX_PATH || (await toolPath('nginx'))
  return startServer({
    name: 'nginx',
    command(folder, port) {
      for (const [name, text] of Object.entries(files)) writeFileSync(join(folder, name), text)
      const settings = join(folder, 'nginx.conf')
      writeFileSync(
        settings,
        `daemon off;
master_process off;
pid nginx.pid;
error_log stderr;
events {}
http {
access_log off;
client_body_temp_path body;
proxy_temp_path proxy;
fastcgi_temp_path fastcgi;
uwsgi_temp_path uwsgi;
scgi_temp_path scgi;
${servers(folder, port)}
}
`,
      )
      return [program, '-p', folder, '-c', settings, '-e', 'stderr']
    },
    ready: (port) =>
      new Promise<void>((resolve, reject) => {
        const probe = connect(port, '127.0.0.1', () => {
          probe.destroy()
          resolve()
        })
        probe.once('error', reject)
      }),
    url: (port) => `https://localhost:${port}`,
  })
}
