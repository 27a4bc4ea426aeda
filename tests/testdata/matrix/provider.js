// The same in Node. provider.js PORT
require('http').createServer((request, response) => {
  const parts = [];
  request.on('data', (part) => parts.push(part));
  request.on('end', () => {
    response.setHeader('Content-Type', 'text/plain');
    response.end(Buffer.concat([Buffer.from(`${request.method} ${request.url} `), ...parts]));
  });
}).listen(Number(process.argv[2]), '127.0.0.1');
