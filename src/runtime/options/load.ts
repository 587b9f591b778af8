/** Loads the options from the command line, environment variables, a file and the defaults. */
import { UsageError } from '../../errors.ts'
import { Sensitive } from '../../secret.ts'
import type { Written } from '../cli/command-line.ts'
import { fromFile } from './config-file.ts'
import { type Definition, definitions, everyOption, type Options } from './definitions.ts'
import { valuesOf } from './parse.ts'
import { proxyOf } from './proxy.ts'
import type { Source } from './source.ts'
import { authTokenVariable, fromAwsVariables, fromVariables } from './variables.ts'

/** All options except `--config` itself. */
const inFile = everyOption.filter(({ definition }) => definition !== definitions.config)

/**
 * The command line takes precedence over environment variables, and those over the file of `--config`. Variables of the
 * AWS SDK come last.
 * @throws UsageError if an option is unknown or invalid, or conflicts with another; UnusableFile if the file is missing
 *   or invalid
 */
export async function readOptions(commandLine: Written, environment: NodeJS.ProcessEnv): Promise<Options> {
  const line: Source = { written: commandLine, label: (flag) => `--${flag}` }
  const variables = fromVariables(environment)
  const file = resolveOption('config', definitions.config, [line, variables])
  const files = file === undefined ? [] : [await fromFile(String(file))]
  const sources = [line, variables, ...files, fromAwsVariables(environment), defaults]
  const values = inFile.map(({ name, flag, definition }) => [name, resolveOption(flag, definition, sources)])
  const authToken = environment[authTokenVariable]
  const options: Options = {
    ...Object.fromEntries(values),
    authToken: authToken ? new Sensitive(authToken) : undefined,
    ecsMetadataUri: environment['ECS_CONTAINER_METADATA_URI_V4'] || undefined,
    proxy: proxyOf(environment),
    caBundle: environment['AWS_CA_BUNDLE'] || undefined,
  }
  checkCombinations(options)
  return options
}

/** Validates options that depend on each other. */
function checkCombinations({ authTokenFile, authToken, tlsCert, tlsKey, tlsKeyPassphraseFile }: Options): void {
  if (authTokenFile && authToken)
    throw new UsageError('--auth-token-file and SECRET_BUS_AUTH_TOKEN are mutually exclusive')
  if (tlsCert && !tlsKey) throw new UsageError('--tls-cert requires --tls-key')
  if (tlsKey && !tlsCert) throw new UsageError('--tls-key requires --tls-cert')
  if (tlsKeyPassphraseFile && !tlsKey) throw new UsageError('--tls-key-passphrase-file requires --tls-key')
}

function resolveOption(flag: string, definition: Definition, sources: readonly Source[]): unknown {
  const { repeatable } = definition
  for (const { written, label } of sources) {
    const texts = written.get(flag)
    if (!texts) continue
    const values = valuesOf(label(flag), definition, texts)
    return repeatable ? [...new Set(values)] : values[0]
  }
  return repeatable ? [] : undefined
}

const defaults: Source = {
  written: new Map(
    inFile.flatMap(({ flag, definition }) => (definition.default === undefined ? [] : [[flag, [definition.default]]])),
  ),
  label: (flag) => `the default of --${flag}`,
}
