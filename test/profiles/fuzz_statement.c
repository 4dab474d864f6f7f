/* A statement from someone else's records: what is accepted is canonical. */
#include "statement.h"

#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	AUTO(json_t) *statement = NULL;
	AUTO_STRUCT(buf) again = { 0 };
	struct err e = { 0 };

	if (statement_parse(data, size, &statement, ERR_RECORDS, &e) != 0)
		return 0;
	if (json_canonical(statement, &again, &e) != 0 || again.len != size ||
	    memcmp(again.data, data, size) != 0)
		__builtin_trap();
	return 0;
}
