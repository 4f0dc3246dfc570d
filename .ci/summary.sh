#!/bin/sh
# Passes the output of `cargo test -- --show-output` through without the captured output of tests
# that passed, then lists what was skipped and why. Fails when a test failed or none ran.
awk '
  /^SKIPPED: /            { skipped[++n] = $0 }
  /^successes:$/          { quiet = 1 }
  /^(failures:|test result:|     Running |   Doc-tests )/ { quiet = 0 }
  !quiet                  { print; fflush() }
  /^test result: /        { seen = 1; passed += $4; if ($3 != "ok.") bad = 1
                            for (i = 1; i <= NF; i++) if ($i ~ /^failed/) failed += $(i-1) }
  /^error(\[|:)/          { bad = 1 }
  END {
    for (i = 1; i <= n; i++) if (!(skipped[i] in told)) { told[skipped[i]] = 1; count++; print skipped[i] }
    if (!seen || passed + failed == 0) { print "no test ran"; exit 1 }
    printf "%d passed, %d failed, %d skipped\n", passed, failed, count
    exit bad || failed > 0
  }'
