package graph

import (
	"bytes"
	"encoding/json"

	"github.com/weft-run/weft/api/v1alpha1"
)

// Decode reads a flow from JSON, strictly.
func Decode(data []byte) (*v1alpha1.FlowSpec, []Problem) {
	dec := json.NewDecoder(bytes.NewReader(data))
	dec.DisallowUnknownFields()
	spec := new(v1alpha1.FlowSpec)
	if err := dec.Decode(spec); err != nil {
		return nil, []Problem{{Code: CodeInvalid, Message: "this is not a flow: " + err.Error()}}
	}
	return spec, nil
}
