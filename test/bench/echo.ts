/** The raw limit beside the API server: the same Node, TLS and HTTP, answering with bytes that are ready. Told its certificate and bytes on stdin. */
import { createServer } from 'node:https';

let told = '';
for await (const chunk of process.stdin) told += String(chunk);
const { key, cert, port, bytes } = JSON.parse(told) as { key: string; cert: string; port: number; bytes: number };
const answer = Buffer.alloc(bytes, 120);
const server = createServer({ key, cert }, (request, response) => {
  request.resume();
  request.on('end', () => {
    response.writeHead(200, { 'content-type': 'application/json', 'content-length': answer.length });
    response.end(answer);
  });
});
server.listen(port, '127.0.0.1', () => console.log('ready'));
