/** The status that stands for a client that did not wait for its answer. nginx logs it so; it is never sent. */
export const clientClosedRequest = 499
