// Asks a site by Node, twice on one connection: client.js URL HOST BODY
const http = require('http');
const [url, host, body] = process.argv.slice(2);
const agent = new http.Agent({ keepAlive: true });
const ask = (method, content) => new Promise((resolve, reject) => {
  const headers = { Host: host, 'Content-Type': 'text/plain' };
  const request = http.request(url, { method, headers, agent, timeout: 30000 }, (response) => {
    let text = '';
    response.setEncoding('utf8');
    response.on('data', (part) => { text += part; });
    response.on('end', () => { console.log(text); resolve(); });
  });
  request.on('error', reject);
  request.end(content);
});
ask('GET').then(() => ask('POST', body)).then(() => agent.destroy());
