/* The mapping database, one operation at a time. Nodes are numbers below the capacity; -1 is none.
 *
 * o CAPACITY: empty
 * i NODE ADDRESS SIZE TYPE ABOUT HINT: insert
 * r NODE: remove
 * n NODE, p NODE: next, previous
 * f ADDRESS SIZE TYPE ABOUT: the first copy
 * b ADDRESS SIZE TYPE ABOUT SLOT: not before
 * v ADDRESS END: first overlapping
 * w NODE ADDRESS END: the next one after NODE
 * l NODE: last copy
 * c, d, a NODE: has it copies, descendants, ancestors
 * k: 1 when all invariants hold (what does not is said on stderr)
 * h: rank of the root, -1 when empty */
#include "capability/mapping_database.h"

#include "shell.h"

static struct mapping_database *db;

static int64_t number(uint32_t node)
{
    return node == NO_CAPABILITY ? -1 : (int64_t)node;
}

static struct capability key(const uint64_t *n)
{
    return (struct capability){.address = n[0], .size = n[1], .type = (uint8_t)n[2], .about = n[3]};
}

int main(void)
{
    struct operation_line operation;
    while (shell_next(&operation)) {
        const uint64_t *n = operation.number;
        uint32_t node = (uint32_t)n[0];
        struct capability like;
        size_t size;
        const char *wrong;
        switch (operation.letter) {
        case 'o':
            free(db);
            size = sizeof *db + sizeof(struct capability) * node;
            if (posix_memalign((void **)&db, 64, size))
                return 1;
            memset(db, 0, size);
            mapping_database_init(db, node, (struct capability *)(void *)(db + 1));
            shell_say(1);
            break;
        case 'i':
            *mapping_database_node(db, node) = key(n + 1);
            mapping_database_insert(db, node, (uint32_t)n[5]);
            shell_say(1);
            break;
        case 'r':
            mapping_database_remove(db, node);
            shell_say(1);
            break;
        case 'n':
            shell_say(number(mapping_database_next(db, node)));
            break;
        case 'p':
            shell_say(number(mapping_database_previous(db, node)));
            break;
        case 'f':
            like = key(n);
            shell_say(number(mapping_database_find(db, &like)));
            break;
        case 'b':
            like = key(n);
            shell_say(number(mapping_database_not_before(db, &like, (uint32_t)n[4])));
            break;
        case 'v':
            shell_say(number(mapping_database_overlapping(db, NO_CAPABILITY, n[0], n[1])));
            break;
        case 'w':
            shell_say(number(mapping_database_overlapping(db, node, n[1], n[2])));
            break;
        case 'l':
            shell_say(number(mapping_database_last_copy(db, node)));
            break;
        case 'c':
            shell_say(mapping_database_other_copy(db, node) != NO_CAPABILITY);
            break;
        case 'd':
            shell_say((mapping_database_relations(db, node) & CAP_REMOTE_DESCENDANTS) != 0);
            break;
        case 'a':
            shell_say((mapping_database_relations(db, node) & CAP_REMOTE_ANCESTORS) != 0);
            break;
        case 'k':
            wrong = mapping_database_check(db);
            if (wrong)
                fprintf(stderr, "invariant: %s\n", wrong);
            shell_say(!wrong);
            break;
        case 'h':
            shell_say(db->root == NO_CAPABILITY ? -1 : mapping_database_node(db, db->root)->rank);
            break;
        default:
            shell_unknown(&operation);
        }
    }
    return 0;
}
