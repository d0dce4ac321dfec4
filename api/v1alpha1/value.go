package v1alpha1

import (
	"bytes"
	"encoding/json"
	"errors"
)

// Value is any JSON value, kept as it was written.
//
// +kubebuilder:object:generate=false
type Value struct {
	// Raw is the JSON text. Empty means null.
	Raw json.RawMessage `json:"-"`
}

// MarshalJSON returns the JSON text.
func (v Value) MarshalJSON() ([]byte, error) {
	if len(v.Raw) == 0 {
		return []byte("null"), nil
	}
	return v.Raw, nil
}

// UnmarshalJSON keeps a copy of the JSON text.
func (v *Value) UnmarshalJSON(data []byte) error {
	if v == nil {
		return errors.New("decoding a JSON value into nil")
	}
	v.Raw = bytes.Clone(data)
	return nil
}

// DeepCopyInto copies the value into another.
func (v *Value) DeepCopyInto(out *Value) { out.Raw = bytes.Clone(v.Raw) }

// DeepCopy returns a copy of the value.
func (v *Value) DeepCopy() *Value {
	if v == nil {
		return nil
	}
	out := new(Value)
	v.DeepCopyInto(out)
	return out
}
