import { describe, expect, test } from 'vitest'
import { RequestError } from '../../../src/handlers/server/request-error.ts'

describe('a request error', () => {
  test.each([400, 499, 500, 599])('has the status %d', (status) => {
    expect(new RequestError(status, 'No.')).toMatchObject({ statusCode: status, message: 'No.' })
  })

  test.each([
    [399, '399'],
    [600, '600'],
    [400.5, '400.5'],
    [Number.NaN, 'NaN'],
    ['404', "'404'"],
    [undefined, 'undefined'],
  ])('is refused at once with the status %j', (status, received) => {
    expect(() => new RequestError(status as number, 'No.')).toThrow(
      RangeError(`statusCode must be a whole number from 400 to 599, received ${received}`),
    )
  })
})
