/** @type {import('secret-bus').Plugin} */
export default ({ channels }) => {
  const origins = new Set(['https://app.example'])
  const allowed = {
    'access-control-allow-methods': 'GET, HEAD, POST',
    'access-control-allow-headers': 'authorization, content-type, x-request-id',
    'access-control-max-age': 600,
  }
  const exposed = { 'access-control-expose-headers': 'cache-status, retry-after, x-request-id' }

  return (bus) => {
    bus.subscribe(
      channels.httpRoutes,
      (app) => {
        app.addHook('onRequest', async ({ headers, method }, reply) => {
          reply.header('vary', 'origin')
          if (headers.origin === undefined || !origins.has(headers.origin)) return
          reply.header('access-control-allow-origin', headers.origin)
          if (method !== 'OPTIONS' || !headers['access-control-request-method']) return void reply.headers(exposed)
          await reply.code(204).headers(allowed).send()
        })
      },
      { priority: 10 },
    )
  }
}
