/** The OpenAPI description of the documentation route. */
import type { RouteDocumentation } from '../openapi/route-documentation.ts'

export const schema = {
  operationId: 'getOpenApi',
  summary: 'Describe the API',
  description: 'This document. A browser may send the token as the password of any user.',
  tags: ['Documentation'],
}

export const documentation: RouteDocumentation = {
  replies: [
    {
      status: 200,
      description: 'The document, in the words of OpenAPI 3.1. Routes of plug-ins are in it.',
      mediaType: 'application/json',
      schema: {
        type: 'object',
        required: ['openapi', 'info', 'paths'],
        properties: { openapi: { type: 'string' }, info: { type: 'object' }, paths: { type: 'object' } },
      },
      examples: {
        document: {
          summary: 'The beginning',
          value: { openapi: '3.1.1', info: { title: 'secret-bus', license: { name: 'MIT' } }, paths: {} },
        },
      },
      headers: ['Cache-Control'],
    },
  ],
}
