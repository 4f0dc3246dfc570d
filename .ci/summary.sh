#!/bin/sh
# Reads the output of `cargo test -- --show-output`, then a line `cargo test ended with CODE`. Passes it on
# without what passing tests printed, then lists what was skipped and why, then counts. Fails unless
# cargo ended with 0 and tests were run.
awk '
  /^SKIPPED: /            { skipped[++n] = $0 }
  /^successes:$/          { quiet = 1 }
  /^(failures:|test result:|     Running |   Doc-tests )/ { quiet = 0 }
  /^cargo test ended with / { code = $NF; ended = 1; next }
  !quiet                  { print; fflush() }
  /^test result: /        { passed += $4
                            for (i = 1; i <= NF; i++) if ($i ~ /^failed/) failed += $(i-1) }
  END {
    print ""
    for (i = 1; i <= n; i++) if (!(skipped[i] in told)) { told[skipped[i]] = 1; count++; print skipped[i] }
    if (!ended) print "cargo test was cut off"
    else if (code != 0) print "cargo test ended with " code
    printf "%d passed, %d failed, %d skipped\n", passed, failed, count
    exit !ended || code != 0 || failed > 0 || passed == 0
  }'
