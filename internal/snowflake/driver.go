package snowflake

import _ "github.com/snowflakedb/gosnowflake/v2" // the driver
