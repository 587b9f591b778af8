"""The stack that the service was ported from: CherryPy, its bus, and boto3 behind lru_cache. It writes no log lines."""
import functools
import sys

import boto3
import cherrypy

port, endpoint = int(sys.argv[1]), sys.argv[2]
table = boto3.resource('dynamodb', region_name='us-east-1', endpoint_url=endpoint).Table('devops-challenge')


@functools.lru_cache
def secret(code_name):
    return table.get_item(Key={'code_name': code_name})['Item']['secret_code']


class Api:
    @cherrypy.expose
    @cherrypy.tools.json_out()
    def secret(self):
        return {'secret_code': cherrypy.engine.publish('secret', 'thedoctor').pop()}


cherrypy.engine.subscribe('secret', secret)
cherrypy.config.update({
    'environment': 'production',
    'server.socket_host': '127.0.0.1',
    'server.socket_port': port,
    'server.thread_pool': 40,  # one for each connection of the load, which would otherwise wait for another to close
    'log.access_file': '',
    'log.screen': False,
})
cherrypy.quickstart(Api())
