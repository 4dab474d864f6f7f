/* Scope-based ownership: a local that is AUTO frees itself; steal() hands it over. */
#ifndef KILN_OWN_H
#define KILN_OWN_H

#include <stddef.h>

/* For typedefs: OWNED(X509, X509_free) lets AUTO(X509) *leaf = NULL free itself. */
#define OWNED(type, free_fn)                                                                       \
	static inline void auto_##type(type **p)                                                   \
	{                                                                                          \
		if (*p != NULL)                                                                    \
			free_fn(*p);                                                               \
	}
#define AUTO(type) __attribute__((cleanup(auto_##type))) type

/* For pointers to our structs: OWNED_PTR(yaml, yaml_free), AUTO_PTR(yaml) *doc = NULL. */
#define OWNED_PTR(name, free_fn)                                                                   \
	static inline void auto_ptr_##name(struct name **p)                                        \
	{                                                                                          \
		if (*p != NULL)                                                                    \
			free_fn(*p);                                                               \
	}
#define AUTO_PTR(name) __attribute__((cleanup(auto_ptr_##name))) struct name

/* For our structs themselves: OWNED_STRUCT(buf, buf_free), AUTO_STRUCT(buf) b = { 0 }. */
#define OWNED_STRUCT(name, free_fn)                                                                \
	static inline void auto_struct_##name(struct name *p)                                      \
	{                                                                                          \
		free_fn(p);                                                                        \
	}
#define AUTO_STRUCT(name) __attribute__((cleanup(auto_struct_##name))) struct name

#define steal(p)                                                                                   \
	__extension__({                                                                            \
		__typeof__(*(p)) steal_v_ = *(p);                                                  \
		*(p) = NULL;                                                                       \
		steal_v_;                                                                          \
	})

#define must_check __attribute__((warn_unused_result))
#define COUNT(a)   (sizeof(a) / sizeof((a)[0]))

#endif
