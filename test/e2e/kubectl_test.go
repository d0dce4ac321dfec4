package e2e

import (
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"
)

const workspaceYAML = `apiVersion: weft.run/v1alpha1
kind: Workspace
metadata:
  name: %[1]s
spec:
  title: Kept with kubectl
`

const flowYAML = `apiVersion: weft.run/v1alpha1
kind: Flow
metadata:
  name: greeting
  namespace: weft-ws-%[1]s
spec:
  title: Greeting
  components:
    - id: start
      type: input
    - id: greet
      type: text-template
      params:
        text: "%[2]s"
    - id: end
      type: output
  edges:
    - {id: e1, origin: start, target: greet}
    - {id: e2, origin: greet, target: end}
  exposure:
    visibility: %[3]s
`

// callerYAML lets a ServiceAccount call the flow.
const callerYAML = `apiVersion: v1
kind: ServiceAccount
metadata:
  name: caller
  namespace: weft-ws-%[1]s
automountServiceAccountToken: false
---
apiVersion: rbac.authorization.k8s.io/v1
kind: Role
metadata:
  name: call-greeting
  namespace: weft-ws-%[1]s
rules:
  - apiGroups: [weft.run]
    resources: [flows]
    resourceNames: [greeting]
    verbs: [call]
---
apiVersion: rbac.authorization.k8s.io/v1
kind: RoleBinding
metadata:
  name: call-greeting
  namespace: weft-ws-%[1]s
roleRef: {apiGroup: rbac.authorization.k8s.io, kind: Role, name: call-greeting}
subjects:
  - {kind: ServiceAccount, name: caller, namespace: weft-ws-%[1]s}
`

// gitWorkspace makes a workspace with kubectl, deleted at the end of the test.
func gitWorkspace(t *testing.T, env environment) string {
	t.Helper()
	name := fmt.Sprintf("e2e-%d", time.Now().UnixNano())
	env.kubectl(t, fmt.Sprintf(workspaceYAML, name), "apply", "-f", "-")
	t.Cleanup(func() {
		env.kubectl(t, "", "delete", "workspace", name, "--timeout=120s")
		eventually(t, 2*time.Minute, func() error {
			if out, err := env.tryKubectl(t, "", "get", "namespace", "weft-ws-"+name); err == nil {
				return fmt.Errorf("the namespace is still there: %s", out)
			}
			return nil
		})
	})
	env.kubectl(t, "", "wait", "--for=condition=Ready", "workspace/"+name, "--timeout=120s")
	return name
}

func TestFlowWithKubectlAlone(t *testing.T) {
	t.Parallel()
	env := cluster(t)
	name := gitWorkspace(t, env)
	namespace := "weft-ws-" + name
	env.kubectl(t, fmt.Sprintf(flowYAML, name, "Hello {{ input }}!", "Private"), "apply", "-f", "-")
	env.kubectl(t, "", "wait", "-n", namespace, "--for=condition=Ready", "flow/greeting", "--timeout=120s")
	url := env.kubectl(t, "", "get", "-n", namespace, "flow", "greeting", "-o", "jsonpath={.status.url}")

	if got := mustCall(t, url, "", "Ada"); got.Status != http.StatusUnauthorized {
		t.Errorf("a private flow without a credential must answer 401: got %d %s", got.Status, got.Body)
	}
	env.kubectl(t, fmt.Sprintf(callerYAML, name), "apply", "-f", "-")
	token := env.kubectl(t, "", "create", "token", "caller", "-n", namespace, "--audience=weft-gateway")
	eventually(t, 30*time.Second, func() error {
		if got := mustCall(t, url, token, "Ada"); got.Status != http.StatusOK || got.Result != "Hello Ada!" {
			return fmt.Errorf("a ServiceAccount with the right to call must be answered: got %d %s", got.Status, got.Body)
		}
		return nil
	})
	other := env.kubectl(t, "", "create", "token", "default", "-n", namespace, "--audience=weft-gateway")
	if got := mustCall(t, url, other, "Ada"); got.Status != http.StatusNotFound {
		t.Errorf("a ServiceAccount without the right must get 404, as if there were no flow: got %d %s", got.Status, got.Body)
	}

	env.kubectl(t, fmt.Sprintf(flowYAML, name, "Hello {{ input }}!", "Public"), "apply", "-f", "-")
	eventually(t, 30*time.Second, func() error {
		if got := mustCall(t, url, "", "Ada"); got.Result != "Hello Ada!" {
			return fmt.Errorf("a public flow must answer anyone: got %d %s", got.Status, got.Body)
		}
		return nil
	})

	env.kubectl(t, "", "delete", "-n", namespace, "flow", "greeting", "--timeout=60s")
	eventually(t, time.Minute, func() error {
		left := env.kubectl(t, "", "get", "-n", namespace, "deployments,services,configmaps,serviceaccounts,networkpolicies,pods",
			"-l", "weft.run/flow=greeting", "-o", "name")
		if left != "" {
			return fmt.Errorf("a deleted flow leaves nothing behind: found %s", left)
		}
		return nil
	})
	if got := mustCall(t, url, "", "Ada"); got.Status != http.StatusUnauthorized {
		t.Errorf("the address of a deleted flow must look like any absent one: got %d %s", got.Status, got.Body)
	}
}

func TestBadGraphKeepsTheLastGoodRevisionServing(t *testing.T) {
	t.Parallel()
	env := cluster(t)
	name := gitWorkspace(t, env)
	namespace := "weft-ws-" + name
	good := fmt.Sprintf(flowYAML, name, "Hello {{ input }}!", "Public")
	env.kubectl(t, good, "apply", "-f", "-")
	env.kubectl(t, "", "wait", "-n", namespace, "--for=condition=Ready", "flow/greeting", "--timeout=120s")
	url := env.kubectl(t, "", "get", "-n", namespace, "flow", "greeting", "-o", "jsonpath={.status.url}")

	bad := strings.Replace(good, "{id: e2, origin: greet, target: end}", "{id: e2, origin: greet, target: nowhere}", 1)
	bad = strings.Replace(bad, "{{ input }}", "{{ absent.thing }}", 1)
	env.kubectl(t, bad, "apply", "-f", "-")
	env.kubectl(t, "", "wait", "-n", namespace, "--for=condition=Accepted=false", "flow/greeting", "--timeout=60s")
	message := env.kubectl(t, "", "get", "-n", namespace, "flow", "greeting", "-o", `jsonpath={.status.conditions[?(@.type=="Accepted")].message}`)
	for _, part := range []string{"nowhere", "greet", "absent"} {
		if !strings.Contains(message, part) {
			t.Errorf("the message must name every error with its component; %q is not in %q", part, message)
		}
	}
	if ready := env.kubectl(t, "", "get", "-n", namespace, "flow", "greeting", "-o", `jsonpath={.status.conditions[?(@.type=="Ready")].status}`); ready != "False" {
		t.Errorf("Ready must be False for a bad graph: got %q", ready)
	}
	if got := mustCall(t, url, "", "Ada"); got.Result != "Hello Ada!" {
		t.Errorf("the last good revision must go on serving: got %d %s", got.Status, got.Body)
	}
	env.kubectl(t, good, "apply", "-f", "-")
	env.kubectl(t, "", "wait", "-n", namespace, "--for=condition=Ready", "flow/greeting", "--timeout=60s")
}

// crossNamespace tries to smuggle a namespace into a reference.
const crossNamespaceYAML = `apiVersion: weft.run/v1alpha1
kind: Flow
metadata:
  name: thief
  namespace: weft-ws-%[1]s
spec:
  components:
    - id: ask
      type: openai-chat
      params: {model: gpt-4o-mini, prompt: hello}
      credential: {secretKeyRef: {name: database, key: url, namespace: weft-system}}
`

func TestReferencesHaveNoNamespace(t *testing.T) {
	t.Parallel()
	env := cluster(t)
	name := gitWorkspace(t, env)
	out, err := env.tryKubectl(t, fmt.Sprintf(crossNamespaceYAML, name), "apply", "--validate=strict", "-f", "-")
	if err == nil || !strings.Contains(out, "namespace") {
		t.Errorf("a namespace in a reference must be refused by name: got %v %s", err, out)
	}
}
