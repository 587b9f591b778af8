/** `node:http` with the responses of the service: the lower bound of the cost of HTTP. */
import { createServer } from 'node:http'

const secret = JSON.stringify({ secret_code: 'the secret of thedoctor' })
const health = JSON.stringify({
  status: 'healthy',
  container: 'https://hub.docker.com/r/secretbus/secret-bus',
  project: 'https://github.com/secret-bus/secret-bus',
})

createServer((request, response) => {
  const body = request.url === '/secret' ? secret : health
  response
    .writeHead(200, { 'content-type': 'application/json; charset=utf-8', 'content-length': body.length })
    .end(body)
}).listen(Number(process.argv[2]), '127.0.0.1')
