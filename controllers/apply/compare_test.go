package apply

import "testing"

func TestContains(t *testing.T) {
	t.Parallel()
	type obj = map[string]any
	type list = []any
	cases := map[string]struct {
		reason        string
		live, desired any
		want          bool
	}{
		"Defaults": {
			reason:  "what the API server filled in is not drift",
			live:    obj{"spec": obj{"replicas": int64(1), "paused": false}},
			desired: obj{"spec": obj{"replicas": int64(1)}},
			want:    true,
		},
		"ChangedScalar": {
			reason:  "a changed value is drift",
			live:    obj{"spec": obj{"replicas": int64(2)}},
			desired: obj{"spec": obj{"replicas": int64(1)}},
		},
		"MissingField": {
			reason:  "a removed field is drift",
			live:    obj{"spec": obj{}},
			desired: obj{"spec": obj{"replicas": int64(1)}},
		},
		"EmptyIsAbsent": {
			reason:  "the API drops empty maps and lists; that is not drift",
			live:    obj{},
			desired: obj{"resources": obj{}, "args": list{}},
			want:    true,
		},
		"KeyedListWithOthers": {
			reason:  "another manager may add to a list that is merged by key",
			live:    obj{"env": list{obj{"name": "B", "value": "2"}, obj{"name": "A", "value": "1"}}},
			desired: obj{"env": list{obj{"name": "A", "value": "1"}}},
			want:    true,
		},
		"KeyedListChanged": {
			reason:  "a changed item of a keyed list is drift",
			live:    obj{"env": list{obj{"name": "A", "value": "2"}}},
			desired: obj{"env": list{obj{"name": "A", "value": "1"}}},
		},
		"VolumeMountsByPath": {
			reason:  "mounts are merged by path, not by name",
			live:    obj{"volumeMounts": list{obj{"name": "v", "mountPath": "/b"}, obj{"name": "v", "mountPath": "/a"}}},
			desired: obj{"volumeMounts": list{obj{"name": "v", "mountPath": "/a"}, obj{"name": "v", "mountPath": "/b"}}},
			want:    true,
		},
		"AtomicListLonger": {
			reason:  "a subject that somebody added to a RoleBinding is drift, although ours is still there",
			live:    obj{"subjects": list{obj{"name": "weft"}, obj{"name": "intruder"}}},
			desired: obj{"subjects": list{obj{"name": "weft"}}},
		},
		"AtomicPortsWithoutNames": {
			reason:  "a port added to a NetworkPolicy is drift",
			live:    obj{"ports": list{obj{"port": int64(53)}, obj{"port": int64(80)}}},
			desired: obj{"ports": list{obj{"port": int64(53)}}},
		},
		"AtomicListReordered": {
			reason:  "the order of an atomic list counts",
			live:    obj{"except": list{"b", "a"}},
			desired: obj{"except": list{"a", "b"}},
		},
		"OtherShape": {
			reason:  "a scalar where a map should be is drift",
			live:    obj{"spec": "x"},
			desired: obj{"spec": obj{"a": "b"}},
		},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if got := contains(tc.live, tc.desired); got != tc.want {
				t.Errorf("%s\ncontains(%v, %v) = %t, want %t", tc.reason, tc.live, tc.desired, got, tc.want)
			}
		})
	}
}
