package main

import (
	"strings"
	"testing"
	"time"
)

func TestReport(t *testing.T) {
	t.Parallel()
	rate := func(name string, perSecond ...float64) *peer {
		p := &peer{Name: name}
		for _, r := range perSecond {
			p.rounds = append(p.rounds, load{PerSecond: r, P50: time.Millisecond, P99: 2 * time.Millisecond})
		}
		return p
	}
	f := &figures{
		Peers: []*peer{rate("bare", 100, 300, 200), rate("runtime", 50, 90, 100), rate("gateway", 40, 40, 40), rate("Node-RED", 10, 20, 30)},
		Apply: latencies{time.Second, 2 * time.Second}, Save: latencies{3 * time.Second},
		Memory: memory{Runtime: 3 << 20},
	}
	page, err := f.render(time.Date(2026, 1, 2, 0, 0, 0, 0, time.UTC))
	if err != nil {
		t.Fatalf("render: %v", err)
	}
	for reason, want := range map[string]string{
		"the ratio is that of the median rounds":      "(b) / (a) | 0.45 |",
		"the gateway's ratio is to the last peer":     "(c) / (d) | 2.00 |",
		"each peer stands with its median round":      "| bare | 200 | 1ms | 2ms | 0 |",
		"memory is in MiB":                            "| runtime of one flow | 3.0 MiB |",
		"latencies show median, p95 and the longest":  "| 2.00 s | 2.00 s | 2.00 s |",
		"the page says on which day it was measured":  "Measured on 2026-01-02",
		"a single sample is every one of its figures": "| 3.00 s | 3.00 s | 3.00 s |",
	} {
		if !strings.Contains(string(page), want) {
			t.Errorf("%s: %q is not in the page:\n%s", reason, want, page)
		}
	}
}
