package serve

import (
	"reflect"
	"time"
)

// clean returns a copy of an answer whose texts have no secrets in them, and whose lists are empty where they were nil. Only
// texts are looked at: a secret of digits must not break a number.
func (s *Server) clean(v any) any {
	if v == nil {
		return v
	}
	return cleaned(reflect.ValueOf(v), s.redact).Interface()
}

func cleaned(v reflect.Value, f func(string) string) reflect.Value {
	switch v.Kind() {
	case reflect.String:
		out := reflect.New(v.Type()).Elem()
		out.SetString(f(v.String()))
		return out
	case reflect.Pointer, reflect.Interface:
		if v.IsNil() {
			return v
		}
		out := reflect.New(v.Type()).Elem()
		if v.Kind() == reflect.Interface {
			out.Set(cleaned(v.Elem(), f))
			return out
		}
		out.Set(reflect.New(v.Type().Elem()))
		out.Elem().Set(cleaned(v.Elem(), f))
		return out
	case reflect.Slice:
		if v.Type().Elem().Kind() == reflect.Uint8 { // raw JSON: its writer has cleaned it
			return v
		}
		out := reflect.MakeSlice(v.Type(), v.Len(), v.Len())
		for i := range v.Len() {
			out.Index(i).Set(cleaned(v.Index(i), f))
		}
		return out
	case reflect.Map:
		out := reflect.MakeMapWithSize(v.Type(), v.Len())
		for it := v.MapRange(); it.Next(); {
			out.SetMapIndex(cleaned(it.Key(), f), cleaned(it.Value(), f))
		}
		return out
	case reflect.Struct:
		if v.Type() == reflect.TypeFor[time.Time]() {
			return v
		}
		out := reflect.New(v.Type()).Elem()
		out.Set(v)
		for i := range v.NumField() {
			if v.Type().Field(i).IsExported() {
				out.Field(i).Set(cleaned(v.Field(i), f))
			}
		}
		return out
	}
	return v
}
