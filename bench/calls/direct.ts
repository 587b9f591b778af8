/** What is asked is called: the least that a request can cost. */
import { print, type Query, query, value } from './measure.ts'

const answer = (_query: Query) => value
const answerLater = async (_query: Query) => value

await print({
  awaited: { 'synchronous answer': () => answer(query), 'asynchronous answer': () => answerLater(query) },
})
