/** The page at /docs: Swagger UI in the preferred color scheme. */

const dark = matchMedia('(prefers-color-scheme: dark)')
const applyColorScheme = () => document.documentElement.classList.toggle('dark-mode', dark.matches)
dark.addEventListener('change', applyColorScheme)
applyColorScheme()

// Defined by swagger-ui-bundle.js, which is loaded first and has no types.
const { SwaggerUIBundle } = /** @type {any} */ (window)
SwaggerUIBundle({
  url: 'openapi.json',
  domNode: document.getElementById('docs'),
  deepLinking: true,
  validatorUrl: null, // the default sends the document to a third party
  defaultModelsExpandDepth: -1,
})
