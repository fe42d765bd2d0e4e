package main

import (
	"io"
	"slices"
	"strings"
	"testing"

	"github.com/millrace/millrace/extract"
)

func TestAddress(t *testing.T) {
	t.Setenv("PW", "p@ss/word")
	for in, want := range map[string]struct {
		source, written string
		vars            []string
	}{
		"postgres://u:topsecret@h:5433/Shop?sslmode=require":            {"shop", "postgres://u:${SHOP_PASSWORD}@h:5433/Shop?sslmode=require", []string{"SHOP_PASSWORD"}},
		"postgres://u:top@secret@h/shop":                                {"shop", "postgres://u:${SHOP_PASSWORD}@h/shop", []string{"SHOP_PASSWORD"}},
		"postgres://u:top%2Fsecret@h/my-shop":                           {"my_shop", "postgres://u:${MY_SHOP_PASSWORD}@h/my-shop", []string{"MY_SHOP_PASSWORD"}},
		"postgres://u@h/shop":                                           {"shop", "postgres://u@h/shop", nil},
		"postgres://u:@h/shop":                                          {"shop", "postgres://u:@h/shop", nil},
		"postgres://h/shop?user=u&password=topsecret&x=y":               {"shop", "postgres://h/shop?user=u&password=${SHOP_PASSWORD}&x=y", []string{"SHOP_PASSWORD"}},
		"postgres://u@h/shop?sslpassword=topsecret":                     {"shop", "postgres://u@h/shop?sslpassword=${SHOP_SSLPASSWORD}", []string{"SHOP_SSLPASSWORD"}},
		"postgres://u:${PW}@h/shop":                                     {"shop", "postgres://u:${PW}@h/shop", []string{"PW"}},
		"postgres://u:topsecret${PW}@h/shop":                            {"shop", "postgres://u:${SHOP_PASSWORD}@h/shop", []string{"PW", "SHOP_PASSWORD"}},
		"postgres://u:topsecret@h":                                      {"postgres", "postgres://u:${POSTGRES_PASSWORD}@h", []string{"POSTGRES_PASSWORD"}},
		"postgres://u:topsecret@h/":                                     {"postgres", "postgres://u:${POSTGRES_PASSWORD}@h/", []string{"POSTGRES_PASSWORD"}},
		"postgres://u:topsecret@[::1]:5432/shop?application_name=a%20b": {"shop", "postgres://u:${SHOP_PASSWORD}@[::1]:5432/shop?application_name=a%20b", []string{"SHOP_PASSWORD"}},
	} {
		at, err := newApp(io.Discard, io.Discard).address(in)
		if err != nil {
			t.Errorf("%s: %v", in, err)
			continue
		}
		if at.source != want.source || at.written != want.written || !slices.Equal(at.vars, want.vars) {
			t.Errorf("%s: %q %q %q", in, at.source, at.written, at.vars)
		}
	}
	for in, want := range map[string]string{
		"oracle://u:topsecret@h/shop":      "no source reads oracle:// URLs",
		"postgres://u:12/topsecret@h/shop": "not a URL",
		"postgres://u:12?topsecret@h/shop": "not a URL",
		"postgres://u:12#topsecret@h/shop": "not a URL",
		"postgres://u:topsecret%@h/shop":   "not a URL",
		"postgres://u:topsecret@h:x/shop":  "not a URL",
		"postgres://u:${NOT_SET}@h/shop":   "NOT_SET is not set",
		"postgres://u:${secret:x}@h/shop":  "environment variables only",
	} {
		_, err := newApp(io.Discard, io.Discard).address(in)
		if err == nil || !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), "topsecret") || exitCode(err) != codeUsage {
			t.Errorf("%s: %v", in, err)
		}
	}
}

func TestTableNames(t *testing.T) {
	var streams []extract.Discovered
	want := map[string]string{
		"public.orders": "public_orders", "sales.Orders": "sales_orders", "public.sales_orders": "sales_orders_2", "public.customers": "customers", "public.Items": "Items",
		"public.user": "user_table", "public.my table": "public_my_table", `public."my.table"`: "public_my_table_2", `"we.ird"."Näme 🎉"`: "n_me", "public.🎉": "table_1", "public._x": "_x",
	}
	for _, name := range []string{`"we.ird"."Näme 🎉"`, "public.Items", "public._x", "public.customers", "public.my table", `public."my.table"`, "public.orders", "sales.Orders", "public.sales_orders", "public.user", "public.🎉"} {
		streams = append(streams, extract.Discovered{Name: name})
	}
	got := tableNames(streams)
	for name, table := range want {
		if got[name] != table {
			t.Errorf("%s: %q, want %q", name, got[name], table)
		}
	}
}
