/** The OpenAPI description of the documentation route. */
import type { ServiceInfo } from '../../bus/process/service-info.ts'
import type { RouteDocumentation } from '../openapi/route-documentation.ts'

export const schema = {
  operationId: 'getOpenApi',
  summary: 'Get the OpenAPI document',
  description: 'This document. Browsers may send the token as an HTTP Basic password, with any user name.',
  tags: ['Documentation'],
}

export const documentationOf = ({ name, license = 'MIT' }: ServiceInfo): RouteDocumentation => ({
  replies: [
    {
      status: 200,
      description: 'The OpenAPI 3.1 document, including the routes of plugins.',
      mediaType: 'application/json',
      schema: {
        type: 'object',
        required: ['openapi', 'info', 'paths'],
        properties: { openapi: { type: 'string' }, info: { type: 'object' }, paths: { type: 'object' } },
      },
      examples: {
        document: {
          summary: 'Excerpt',
          value: { openapi: '3.1.1', info: { title: name, license: { name: license } }, paths: {} },
        },
      },
      headers: ['Cache-Control'],
    },
  ],
})
