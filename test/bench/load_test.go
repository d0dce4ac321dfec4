package main

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

func TestParseLoad(t *testing.T) {
	t.Parallel()
	cases := map[string]struct {
		reason string
		out    string
		want   load
	}{
		"clean": {
			reason: "rate and latencies are read, and nothing failed",
			out:    "  Latency Distribution\n     50%  301.00us\n     75%    1.00ms\n     99%    2.50ms\nRequests/sec:  41234.56\n",
			want:   load{PerSecond: 41234.56, P50: 301 * time.Microsecond, P99: 2500 * time.Microsecond},
		},
		"failures": {
			reason: "refused answers and broken sockets both count as failed",
			out:    "     50%    1.00s\n     99%    2.00s\n  Socket errors: connect 1, read 2, write 0, timeout 3\n  Non-2xx or 3xx responses: 7\nRequests/sec:  10.00\n",
			want:   load{PerSecond: 10, P50: time.Second, P99: 2 * time.Second, Failed: 13},
		},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got, err := parseLoad(tc.out)
			if err != nil {
				t.Fatalf("parseLoad: %v", err)
			}
			if diff := cmp.Diff(tc.want, got); diff != "" {
				t.Errorf("%s: (-want +got)\n%s", tc.reason, diff)
			}
		})
	}
}

func TestParseLoadWithoutRate(t *testing.T) {
	t.Parallel()
	if _, err := parseLoad("unable to connect"); err == nil {
		t.Error("an output without a rate must be an error, not a rate of zero")
	}
}
