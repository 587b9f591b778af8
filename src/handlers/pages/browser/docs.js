/** The page at /docs: Swagger UI, in the colours that the reader prefers. */

const dark = matchMedia('(prefers-color-scheme: dark)')
const follow = () => document.documentElement.classList.toggle('dark-mode', dark.matches)
dark.addEventListener('change', follow)
follow()

// The bundle, which is loaded before this, has no types.
const { SwaggerUIBundle } = /** @type {any} */ (window)
SwaggerUIBundle({
  url: 'openapi.json',
  domNode: document.getElementById('docs'),
  deepLinking: true,
  validatorUrl: null, // it would send the document elsewhere
  defaultModelsExpandDepth: -1,
})
