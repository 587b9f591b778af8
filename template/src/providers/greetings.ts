/** Provides `greeting.get`. A database or another service would be called here. */
import type { Subscriber } from 'secret-bus'
import { getGreeting } from '../channels.ts'

export interface GreetingsOptions {
  /** The words before the name. */
  readonly salutation: string
}

export const greetings =
  ({ salutation }: GreetingsOptions): Subscriber =>
  (bus) => {
    bus.provide(getGreeting, ({ name }) => `${salutation}, ${name}!`)
  }
