package graph

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"strings"
	"time"

	"github.com/weft-run/weft/api/v1alpha1"
)

// Defaults of what a runtime pod reads of a flow.
const (
	DefaultRunTimeout        = 60 * time.Second
	DefaultMaxConcurrentRuns = 64
	DefaultMaxBodyBytes      = 1 << 20
)

// Hash names the revision of a flow: ten hexadecimal digits that are the same
// exactly when a runtime pod would do the same. Positions and who may call do
// not count. The title does where an expression may read it, and like the
// description where the flow has a page that shows it.
func Hash(spec *v1alpha1.FlowSpec) string {
	data, err := json.Marshal(executed(spec))
	if err != nil {
		// A value that is not JSON is a problem of the flow; it still has a name.
		data = []byte(err.Error())
	}
	sum := sha256.Sum256(data)
	return hex.EncodeToString(sum[:5])
}

type executedFlow struct {
	Title             string              `json:"title,omitempty"`
	Description       string              `json:"description,omitempty"`
	Components        []executedComponent `json:"components"`
	Edges             []executedEdge      `json:"edges"`
	RunTimeout        time.Duration       `json:"runTimeout"`
	MaxConcurrentRuns int32               `json:"maxConcurrentRuns"`
	MaxBodyBytes      int64               `json:"maxBodyBytes"`
	Page              v1alpha1.Page       `json:"page,omitempty"`
}

type executedComponent struct {
	ID         string               `json:"id"`
	Type       string               `json:"type"`
	Name       string               `json:"name"`
	Params     any                  `json:"params,omitempty"`
	Credential *v1alpha1.Credential `json:"credential,omitempty"`
	Parent     string               `json:"parent,omitempty"`
	OnError    executedOnError      `json:"onError"`
	Timeout    time.Duration        `json:"timeout,omitempty"`
}

type executedOnError struct {
	Action  string        `json:"action,omitempty"`
	Times   int32         `json:"times,omitempty"`
	Backoff time.Duration `json:"backoff,omitempty"`
	Value   any           `json:"value,omitempty"`
}

type executedEdge struct {
	Origin     string `json:"origin"`
	Target     string `json:"target"`
	OriginPort string `json:"originPort,omitempty"`
	TargetPort string `json:"targetPort,omitempty"`
}

func executed(spec *v1alpha1.FlowSpec) executedFlow {
	out := executedFlow{
		RunTimeout: DefaultRunTimeout, MaxConcurrentRuns: DefaultMaxConcurrentRuns, MaxBodyBytes: DefaultMaxBodyBytes,
	}
	if d := spec.Runtime.RunTimeout; d != nil {
		out.RunTimeout = d.Duration
	}
	if n := spec.Runtime.MaxConcurrentRuns; n != nil {
		out.MaxConcurrentRuns = *n
	}
	if n := spec.Exposure.MaxBodyBytes; n != 0 {
		out.MaxBodyBytes = n
	}
	if p := spec.Exposure.Page; p != "" && p != v1alpha1.PageNone {
		out.Page, out.Title, out.Description = p, spec.Title, spec.Description
	}
	for i := range spec.Components {
		c := &spec.Components[i]
		out.Components = append(out.Components, executedOf(c))
		if c.Params != nil && strings.Contains(string(c.Params.Raw), "flow") {
			out.Title = spec.Title
		}
	}
	for i := range spec.Edges {
		e := &spec.Edges[i]
		out.Edges = append(out.Edges, executedEdge{e.Origin, e.Target, e.OriginPort, e.TargetPort})
	}
	return out
}

func executedOf(c *v1alpha1.Component) executedComponent {
	out := executedComponent{
		ID: c.ID, Type: c.Type, Name: displayName(c), Credential: c.Credential, Parent: c.Parent,
	}
	if c.Params != nil {
		out.Params = canonicalParams(c.Params.Raw)
	}
	if c.Timeout != nil {
		out.Timeout = c.Timeout.Duration
	}
	if o := c.OnError; o != nil {
		out.OnError = executedError(o)
	}
	return out
}

func executedError(o *v1alpha1.OnError) executedOnError {
	var out executedOnError
	if o.Action != v1alpha1.ErrorActionStop {
		out.Action = string(o.Action)
	}
	if o.Retry != nil {
		out.Times, out.Backoff = o.Retry.Times, DefaultBackoff
		if o.Retry.Backoff != nil {
			out.Backoff = o.Retry.Backoff.Duration
		}
	}
	if o.Value != nil {
		out.Value = canonical(o.Value.Raw)
	}
	return out
}

// canonicalParams returns params as a value. Params that are empty are as good
// as none.
func canonicalParams(raw []byte) any {
	value := canonical(raw)
	if object, ok := value.(map[string]any); ok && len(object) == 0 {
		return nil
	}
	return value
}

// canonical returns JSON as a value, so that neither white space nor the order
// of keys nor the spelling of numbers counts.
func canonical(raw []byte) any {
	if len(raw) == 0 {
		return nil
	}
	var value any
	if err := json.Unmarshal(raw, &value); err != nil {
		return string(raw)
	}
	return value
}
