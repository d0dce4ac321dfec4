// Package secrets makes the passwords of the development environment's Postgres
// and Redis: once, at random, and never again.
package secrets

import (
	"context"
	"crypto/rand"
	"fmt"
	"net/url"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"
)

// Names of the Secrets. The chart is told the last two.
const (
	Postgres = "weft-postgres"
	Database = "weft-database"
	Redis    = "weft-redis"
)

// Ensure makes the Secrets that do not exist yet. Two of them follow from the
// passwords in the first, so that an interrupted run goes on where it stopped.
func Ensure(ctx context.Context, c client.Client, namespace string) error {
	postgres, err := ensure(ctx, c, namespace, Postgres, postgresData())
	if err != nil {
		return err
	}
	if _, err := ensure(ctx, c, namespace, Database, databaseData(postgres)); err != nil {
		return err
	}
	_, err = ensure(ctx, c, namespace, Redis, redisData())
	return err
}

// ensure creates a Secret, or returns the one that is there.
func ensure(ctx context.Context, c client.Client, namespace, name string, data map[string]string) (map[string][]byte, error) {
	s := &corev1.Secret{ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: name}, Data: map[string][]byte{}}
	for k, v := range data {
		s.Data[k] = []byte(v)
	}
	err := c.Create(ctx, s)
	if err != nil && !apierrors.IsAlreadyExists(err) {
		return nil, fmt.Errorf("creating Secret %s: %w", name, err)
	}
	if err := c.Get(ctx, client.ObjectKeyFromObject(s), s); err != nil {
		return nil, fmt.Errorf("reading Secret %s: %w", name, err)
	}
	return s.Data, nil
}

// postgresData holds the passwords of the superuser, the owner of the tables
// and the application, and the statements that a new server runs once. The
// owner may make roles: the portal makes the application's own. Each statement
// stands on a line of its own, as single-user mode wants it; the passwords are
// letters and digits.
func postgresData() map[string]string {
	owner := rand.Text()
	return map[string]string{
		"password":      rand.Text(),
		"ownerPassword": owner,
		"appPassword":   rand.Text(),
		"weft.sql": "CREATE ROLE weft_owner LOGIN CREATEROLE PASSWORD '" + owner + "';\n" +
			"CREATE DATABASE weft OWNER weft_owner;\n",
	}
}

func databaseData(postgres map[string][]byte) map[string]string {
	return map[string]string{
		"url":      databaseURL("weft_app", postgres["appPassword"]),
		"adminUrl": databaseURL("weft_owner", postgres["ownerPassword"]),
	}
}

// databaseURL asks for no TLS: the server is a pod of the same namespace, and
// this Postgres has no certificate.
func databaseURL(user string, password []byte) string {
	u := url.URL{
		Scheme: "postgres", User: url.UserPassword(user, string(password)),
		Host: "weft-postgres:5432", Path: "/weft", RawQuery: "sslmode=disable",
	}
	return u.String()
}

func redisData() map[string]string {
	password := rand.Text()
	u := url.URL{Scheme: "redis", User: url.UserPassword("default", password), Host: "weft-redis:6379", Path: "/0"}
	return map[string]string{
		"password": password,
		"url":      u.String(),
		"redis.conf": "requirepass " + password + "\n" +
			"bind * -::*\nport 6379\ndir /data\nsave \"\"\nappendonly no\n" +
			"maxmemory 384mb\nmaxmemory-policy volatile-lru\n",
	}
}
