package secrets_test

import (
	"net/url"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/fake"

	"github.com/weft-run/weft/hack/dev/internal/secrets"
)

const namespace = "weft-system"

// TestEnsureFitsTogether proves that the addresses hold the passwords that the
// servers get.
func TestEnsureFitsTogether(t *testing.T) {
	t.Parallel()
	c := fake.NewClientBuilder().Build()
	if err := secrets.Ensure(t.Context(), c, namespace); err != nil {
		t.Fatal(err)
	}
	postgres, database, redis := read(t, c, secrets.Postgres), read(t, c, secrets.Database), read(t, c, secrets.Redis)
	if !strings.Contains(postgres["weft.sql"], "'"+password(t, database["adminUrl"])+"'") {
		t.Error("the owner's password in adminUrl is not the one that the server is given")
	}
	if got := password(t, database["url"]); got != postgres["appPassword"] || got == postgres["ownerPassword"] {
		t.Error("the application must have its own password")
	}
	if !strings.Contains(redis["redis.conf"], "requirepass "+password(t, redis["url"])+"\n") {
		t.Error("the password in Redis' address is not the one that the server is given")
	}
	for statement := range strings.SplitSeq(strings.TrimSpace(postgres["weft.sql"]), "\n") {
		if !strings.HasSuffix(statement, ";") {
			t.Errorf("single-user mode takes one statement per line, found %q", statement)
		}
	}
}

// TestEnsureKeeps proves that no password is ever replaced, and that a run that
// was interrupted is finished.
func TestEnsureKeeps(t *testing.T) {
	t.Parallel()
	c := fake.NewClientBuilder().Build()
	if err := secrets.Ensure(t.Context(), c, namespace); err != nil {
		t.Fatal(err)
	}
	before := map[string]map[string]string{}
	for _, name := range []string{secrets.Postgres, secrets.Database, secrets.Redis} {
		before[name] = read(t, c, name)
	}
	lost := &corev1.Secret{}
	lost.Namespace, lost.Name = namespace, secrets.Database
	if err := c.Delete(t.Context(), lost); err != nil {
		t.Fatal(err)
	}
	if err := secrets.Ensure(t.Context(), c, namespace); err != nil {
		t.Fatal(err)
	}
	for name, want := range before {
		if diff := cmp.Diff(want, read(t, c, name)); diff != "" {
			t.Errorf("Secret %s changed", name) // the difference holds passwords
		}
	}
}

// read returns a Secret's values.
func read(t *testing.T, c client.Client, name string) map[string]string {
	t.Helper()
	var s corev1.Secret
	if err := c.Get(t.Context(), types.NamespacedName{Namespace: namespace, Name: name}, &s); err != nil {
		t.Fatal(err)
	}
	values := map[string]string{}
	for k, v := range s.Data {
		values[k] = string(v)
	}
	return values
}

func password(t *testing.T, address string) string {
	t.Helper()
	u, err := url.Parse(address)
	if err != nil {
		t.Fatal(err)
	}
	p, _ := u.User.Password()
	if p == "" {
		t.Errorf("%s has no password", u.Redacted())
	}
	return p
}
