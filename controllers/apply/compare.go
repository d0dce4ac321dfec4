package apply

// contains says whether everything in desired is in live too. What live has
// beyond it belongs to others and does not count: defaults of the API server,
// and fields of other managers.
func contains(live, desired any) bool { return containsAt("", live, desired) }

func containsAt(field string, live, desired any) bool {
	switch want := desired.(type) {
	case map[string]any:
		have, ok := live.(map[string]any)
		return (ok || live == nil) && containsMap(have, want)
	case []any:
		have, ok := live.([]any)
		return (ok || live == nil) && containsList(field, have, want)
	default:
		return live == desired
	}
}

func containsMap(live, desired map[string]any) bool {
	for key, want := range desired {
		have, ok := live[key]
		if !ok && !empty(want) {
			return false
		}
		if ok && !containsAt(key, have, want) {
			return false
		}
	}
	return true
}

// containsList compares lists with a key by key, as server-side apply merges
// them, and all others item by item, as server-side apply replaces them.
func containsList(field string, live, desired []any) bool {
	key := listKey(field)
	wanted, keyed := keyedBy(desired, key)
	if !keyed {
		if len(live) != len(desired) {
			return false
		}
		for i := range desired {
			if !containsAt("", live[i], desired[i]) {
				return false
			}
		}
		return true
	}
	for _, want := range wanted {
		have, ok := find(live, key, want[key])
		if !ok || !containsAt("", have, want) {
			return false
		}
	}
	return true
}

// listKey is the merge key of the lists that we render and that the API
// declares as maps.
func listKey(field string) string {
	switch field {
	case "containers", "env", "volumes", "ports":
		return "name"
	case "volumeMounts":
		return "mountPath"
	case "ownerReferences":
		return "uid"
	default:
		return ""
	}
}

// keyedBy returns the items as maps, if all of them are and have the key.
func keyedBy(items []any, key string) ([]map[string]any, bool) {
	out := make([]map[string]any, 0, len(items))
	for _, item := range items {
		m, ok := item.(map[string]any)
		if !ok || key == "" || m[key] == nil {
			return nil, false
		}
		out = append(out, m)
	}
	return out, key != ""
}

func find(items []any, key string, value any) (any, bool) {
	for _, item := range items {
		if m, ok := item.(map[string]any); ok && m[key] == value {
			return item, true
		}
	}
	return nil, false
}

// empty values are the same as absent ones.
func empty(value any) bool {
	switch v := value.(type) {
	case nil:
		return true
	case map[string]any:
		for _, inner := range v {
			if !empty(inner) {
				return false
			}
		}
		return true
	case []any:
		return len(v) == 0
	default:
		return false
	}
}
