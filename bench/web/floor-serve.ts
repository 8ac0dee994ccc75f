// What the hub's web port is measured against: a bare `ws` loop and a bare node:http handler, in a process of their own.

import { createServer } from 'node:http';
import { WebSocketServer } from 'ws';

const server = createServer((request, response) => {
  const chunks: Buffer[] = [];
  request.on('data', (chunk: Buffer) => chunks.push(chunk));
  request.on('end', () => {
    const body = Buffer.concat(chunks);
    const answer = `{"length":${body.length}}\n`;
    response.writeHead(200, { 'Content-Type': 'application/json', 'Content-Length': answer.length });
    response.end(answer);
  });
});
const sockets = new WebSocketServer({ server, perMessageDeflate: false });
sockets.on('connection', (socket) => {
  socket.on('message', (octets, binary) => {
    for (const client of sockets.clients) client.send(octets, { binary });
  });
});
server.listen(Number(process.argv[2]), '127.0.0.1');
