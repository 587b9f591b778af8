/** Plain function calls: the lower bound of the cost of a request. */
import { print, type Query, query, value } from './measure.ts'

const answer = (_query: Query) => value
const answerLater = async (_query: Query) => value

await print({
  awaited: { 'synchronous answer': () => answer(query), 'asynchronous answer': () => answerLater(query) },
})
