// The program behind the image kontiki/demo: says its Pod, its node and a counter.
// Plain JavaScript with nothing but Node, so that it also runs inside a container.
import { createServer } from 'node:http';
import { hostname } from 'node:os';

const port = Number(process.env.PORT ?? 8080);
const host = process.env.KONTIKI_LISTEN ?? '0.0.0.0';
const pod = process.env.POD_NAME ?? hostname();
const node = process.env.NODE_NAME ?? 'unknown';
let count = 0;

const server = createServer((request, response) => {
  if (request.url === '/healthz') {
    response.end('ok\n');
    return;
  }
  count += 1;
  console.log(`${request.method} ${request.url} from ${request.socket.remoteAddress}, request ${count}`);
  response.end(`hello from ${pod} on ${node}, request ${count}\n`);
});

server.listen(port, host, () => console.log(`${pod} on ${node} listens on ${host}:${port}`));
process.on('SIGTERM', () => {
  console.log('SIGTERM: finishing');
  server.close(() => process.exit(0));
  server.closeIdleConnections();
  setTimeout(() => process.exit(0), 1000).unref();
});
