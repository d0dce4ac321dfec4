package graph

import (
	"slices"
	"time"

	"github.com/weft-run/weft/api/v1alpha1"
	"github.com/weft-run/weft/runtime/catalog"
	"github.com/weft-run/weft/runtime/expr"
)

// Plan is a compiled flow. It is used by many runs at once: nobody may change
// it, or anything in it.
type Plan struct {
	// Title of the flow.
	Title string
	// Steps are the components, in the order of the flow.
	Steps []Step
	// Triggers and Terminals are the steps at which a run may start, and which
	// give its result.
	Triggers  []int
	Terminals []int
	// Leaves are the steps that nothing follows.
	Leaves []int
	// RunTimeout is what the flow says, or 0.
	RunTimeout time.Duration
}

// Step is a component of a plan.
type Step struct {
	ID   string
	Name string
	// Key is the name of its value in a result of several, unique among the
	// steps that may give one.
	Key        string
	Type       *catalog.Component
	Credential *v1alpha1.Credential
	// Timeout of one execution, or 0 where neither flow nor type says.
	Timeout time.Duration
	OnError OnError
	Params  *Params
	// Templated are the names of the params that hold {{ … }}, nil for none.
	Templated map[string]bool
	// Main is the name of its main output, In are the edges that enter it in
	// the order of the flow, Reads what its expressions read.
	Main  string
	In    []Input
	Reads []expr.Ref
	// Waits is how many other steps must have settled before it can run, Next
	// are the steps that wait for it, each once.
	Waits int
	Next  []int
}

// Input is an edge that enters a step.
type Input struct {
	From     int
	FromPort string
	ToPort   string
	// Type of the port that it enters: values are converted to it.
	Type catalog.PortType
}

// OnError says what happens when a step fails.
type OnError struct {
	Action  v1alpha1.ErrorAction
	Retries int
	Backoff time.Duration
	// Value that stands in for the output with action Default.
	Value any
}

// DefaultBackoff is the wait before the first retry.
const DefaultBackoff = time.Second

// plan makes the plan of a flow without problems.
func (v *validator) plan() *Plan {
	p := &Plan{Title: v.spec.Title, Steps: make([]Step, len(v.steps))}
	if d := v.spec.Runtime.RunTimeout; d != nil {
		p.RunTimeout = d.Duration
	}
	for i := range v.steps {
		p.Steps[i] = planStep(&v.steps[i])
	}
	v.connect(p)
	for i := range p.Steps {
		s := &p.Steps[i]
		if s.Type.Trigger {
			p.Triggers = append(p.Triggers, i)
		}
		if s.Type.Terminal {
			p.Terminals = append(p.Terminals, i)
		}
		if len(s.Next) == 0 {
			p.Leaves = append(p.Leaves, i)
		}
	}
	if len(p.Terminals) > 0 {
		p.nameKeys(p.Terminals)
	} else {
		p.nameKeys(p.Leaves)
	}
	return p
}

func planStep(s *step) Step {
	out := Step{
		ID: s.spec.ID, Name: displayName(s.spec), Type: s.kind, Credential: s.spec.Credential,
		Templated: s.params.templated(), Timeout: s.kind.Timeout, OnError: planOnError(s.spec.OnError), Params: s.params, Main: s.main(),
	}
	if s.spec.Timeout != nil {
		out.Timeout = s.spec.Timeout.Duration
	}
	for _, r := range s.reads {
		if !slices.ContainsFunc(out.Reads, func(o expr.Ref) bool { return o.Step == r.ref.Step && o.Port == r.ref.Port }) {
			out.Reads = append(out.Reads, r.ref)
		}
	}
	return out
}

func planOnError(o *v1alpha1.OnError) OnError {
	out := OnError{Action: v1alpha1.ErrorActionStop, Backoff: DefaultBackoff}
	if o == nil {
		return out
	}
	if o.Action != "" {
		out.Action = o.Action
	}
	if o.Retry != nil {
		out.Retries = int(o.Retry.Times)
		if o.Retry.Backoff != nil {
			out.Backoff = o.Retry.Backoff.Duration
		}
	}
	if o.Value != nil {
		// It was parsed before without a problem.
		out.Value, _ = parseJSON(o.Value.Raw)
	}
	return out
}

// connect gives every step its edges, and counts what it waits for.
func (v *validator) connect(p *Plan) {
	for _, l := range v.links {
		to := &p.Steps[l.to]
		to.In = append(to.In, Input{From: l.from, FromPort: l.fromPort, ToPort: l.toPort, Type: l.targetType})
		p.wait(l.from, l.to)
	}
	for i := range p.Steps {
		for _, r := range p.Steps[i].Reads {
			p.wait(r.Step, i)
		}
	}
}

// wait lets a step wait for another one, once.
func (p *Plan) wait(from, to int) {
	if s := &p.Steps[from]; !slices.Contains(s.Next, to) {
		s.Next = append(s.Next, to)
		p.Steps[to].Waits++
	}
}

// nameKeys gives steps that may give a part of the result their keys: the name,
// or the id where that means others too.
func (p *Plan) nameKeys(steps []int) {
	count := make(map[string]int, len(steps))
	for _, i := range steps {
		s := &p.Steps[i]
		count[s.Name]++
		if s.ID != s.Name {
			count[s.ID]++
		}
	}
	for _, i := range steps {
		s := &p.Steps[i]
		s.Key = s.Name
		if count[s.Name] > 1 {
			s.Key = s.ID
		}
	}
}
