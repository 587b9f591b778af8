/** Metrics of the certificates of an HTTPS server, for an alert before they expire. */
import { X509Certificate } from 'node:crypto'
import type { ServiceInfo } from '../../bus/process/service-info.ts'
import type { Metric } from '../../channels.ts'
import type { Certificate } from '../server/tls/certificate.ts'
import type { ClientCa } from '../server/tls/client-ca.ts'

/** Has no metrics of what is not configured. */
export function certificateMetrics(
  { metricPrefix }: Pick<ServiceInfo, 'metricPrefix'>,
  certificate: Certificate | undefined,
  clientCa: ClientCa | undefined,
): Metric[] {
  return [
    {
      name: `${metricPrefix}tls_certificate_expiry_timestamp_seconds`,
      help: 'Unix time at which the TLS certificate of the server expires.',
      type: 'gauge',
      values: certificate ? [{ value: expiryOf(certificate.cert) }] : [],
    },
    {
      name: `${metricPrefix}tls_client_ca_expiry_timestamp_seconds`,
      help: 'Earliest Unix time at which a CA certificate for clients expires.',
      type: 'gauge',
      values: clientCa ? [{ value: Math.min(...clientCa.ca.map(expiryOf)) }] : [],
    },
  ]
}

/** @param pem of which the first certificate counts: that of the server, not those of its issuers */
function expiryOf(pem: string): number {
  return new X509Certificate(pem).validToDate.getTime() / 1_000
}
