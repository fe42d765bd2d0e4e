package serve

import "context"

type identity struct {
	name string
	role Role
}

type keyType int

const keyIdentity keyType = 0

func identityOf(ctx context.Context) identity {
	who, _ := ctx.Value(keyIdentity).(identity)
	return who
}
