import { siteParams } from '../schema/history.js'
import { holdRequest, resumeRequest } from '../schema/hold.js'
import { siteView } from '../schema/site.js'
import { type App, problemAnswer, type RouteContext } from './context.js'

const tags = ['sites']

/** Holding a site on the release that it serves, and letting it go on. */
export function siteRoutes(app: App, { asking }: RouteContext): void {
  app.route({
    method: 'POST',
    url: '/v1/sites/:site/hold',
    schema: {
      operationId: 'holdSite',
      summary: 'Hold a site on the release that it serves: no job makes another one live, but rollbacks',
      tags,
      params: siteParams,
      body: holdRequest,
      response: { 200: siteView, ...problemAnswer },
    },
    handler: async (request, reply) => reply.send(await asking(request).holdSite(request.params.site, request.body)),
  })
  app.route({
    method: 'POST',
    url: '/v1/sites/:site/resume',
    schema: {
      operationId: 'resumeSite',
      summary: 'End the hold of a site; jobs that waited for it go on',
      tags,
      params: siteParams,
      body: resumeRequest,
      response: { 200: siteView, ...problemAnswer },
    },
    handler: async (request, reply) => reply.send(await asking(request).resumeSite(request.params.site, request.body)),
  })
}
