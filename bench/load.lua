-- Replaces a star at the end of the path with the numbers below the first argument, in turn.
init = function(arguments)
  local numbers, path = tonumber(arguments[1]), wrk.path
  local number = 0
  if numbers then
    request = function()
      number = (number + 1) % numbers
      return wrk.format(nil, (path:gsub('*', number)))
    end
  end
end

-- Prints the results of wrk as JSON. Latencies are in microseconds.
done = function(summary, latency)
  local errors = summary.errors
  io.write(string.format('\n{"requests":%d,"us":%d,"p99":%d,"faults":%d}\n',
    summary.requests, summary.duration, latency:percentile(99),
    errors.connect + errors.read + errors.write + errors.status + errors.timeout))
end
