/** `POST /orders` and `GET /orders/:id`. */
import { callOf, channels, type Subscriber } from 'secret-bus'
import { getOrder, type OrderLine, placeOrder } from './channels.ts'
import { place, read } from './order-schemas.ts'
import { problems } from './problems.ts'

export const orderRoutes = (): Subscriber => (bus) => {
  const placed = bus.requester(placeOrder)
  const orderOf = bus.requester(getOrder)

  bus.subscribe(channels.declareProblems, () => problems)

  bus.subscribe(channels.httpRoutes, (app) => {
    app.post<{ Body: OrderLine }>('/orders', place, async (request, reply) => {
      const order = await placed(request.body, callOf(request))
      return reply.code(201).header('location', `/orders/${order.id}`).send(order)
    })

    app.get<{ Params: { id: string } }>('/orders/:id', read, async (request) =>
      orderOf(request.params, callOf(request)),
    )
  })
}
