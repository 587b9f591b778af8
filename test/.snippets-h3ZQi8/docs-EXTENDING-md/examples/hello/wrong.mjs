export default ({ channels }) => (bus) => {
  bus.provide(channels.getSecret, () => 'mine')
}
