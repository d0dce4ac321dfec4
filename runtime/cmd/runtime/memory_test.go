package main

import (
	"net/http"
	"testing"
)

// idleBudget is what a runtime without requests may use.
const idleBudget = 15 << 20

// celFlow has expressions that need the whole of the language.
const celFlow = `{"components":[
	{"id":"in","type":"input"},
	{"id":"big","type":"if","params":{"condition":"input.total > 100 && input.items.exists(i, i.startsWith('x'))"}},
	{"id":"out","type":"output"}],
	"edges":[{"id":"e1","origin":"in","target":"big"},{"id":"e2","origin":"big","target":"out","originPort":"true"}]}`

func TestIdleMemory(t *testing.T) {
	for name, flow := range map[string]string{"plain": textFlow, "expressions": celFlow} {
		t.Run(name, func(t *testing.T) {
			p := start(t, flow)
			idle := p.rss()
			t.Logf("idle: %.1f MiB", float64(idle)/(1<<20))
			if idle > idleBudget {
				t.Errorf("idle memory is %d KiB, want %d at most", idle>>10, idleBudget>>10)
			}
		})
	}
}

func TestMemoryAfterRuns(t *testing.T) {
	p := start(t, textFlow)
	for range 200 {
		if status, answer := p.post(`{"input":{"name":"Ann"}}`); status != http.StatusOK {
			t.Fatalf("got %d %s", status, answer)
		}
	}
	after := p.rss()
	t.Logf("after 200 runs: %.1f MiB", float64(after)/(1<<20))
	if after > 2*idleBudget {
		t.Errorf("memory after 200 runs is %d KiB, want %d at most", after>>10, 2*idleBudget>>10)
	}
}
