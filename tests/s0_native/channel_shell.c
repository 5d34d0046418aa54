/* Ring and call line, single-threaded, one operation at a time.
 *
 * ring       o SLOTS: both ends anew
 *            s END VALUE: 1 sent, 0 full
 *            r END: the value, -1 nothing
 *            w END COUNT: sends and receives so many from END at once, 1 fine; the other side sends
 *                         nothing, so only ACKs flow back
 * call line  O WINDOW: both ends anew
 *            q VALUE: its line, -1 full
 *            g: the value received, -1 nothing (l: its line)
 *            p LINE VALUE: reply, 1
 *            t LINE: the value, -1 not there */
#include "channel/call_line.h"
#include "channel/ring.h"

#include "shell.h"

static struct ring_end ring[2];
static struct call_sender sender;
static struct call_receiver receiver;
static struct slot *there, *back;

static struct message carrying(uint64_t value)
{
    struct message message;
    for (uint64_t i = 0; i < MESSAGE_WORDS; i++)
        message.word[i] = value + i;
    return message;
}

static int64_t carried(const struct message *message)
{
    for (uint64_t i = 0; i < MESSAGE_WORDS; i++)
        if (message->word[i] != message->word[0] + i)
            return -2;
    return (int64_t)message->word[0];
}

static void fresh_memory(uint32_t slots)
{
    free(there);
    free(back);
    there = aligned_alloc(LINE_BYTES, slots * sizeof *there);
    back = aligned_alloc(LINE_BYTES, slots * sizeof *back);
    memset(there, 0, slots * sizeof *there);
    memset(back, 0, slots * sizeof *back);
}

static int64_t stream(uint64_t from, uint64_t count)
{
    for (uint64_t i = 0; i < count; i++) {
        struct message message = carrying(i), got;
        if (!ring_try_send(&ring[from], &message) || !ring_try_receive(&ring[1 - from], &got))
            return 0;
        if (carried(&got) != (int64_t)i)
            return 0;
    }
    return 1;
}

int main(void)
{
    struct operation_line operation;
    struct message message;
    int line = -1;
    while (shell_next(&operation)) {
        uint64_t a = operation.number[0], b = operation.number[1];
        switch (operation.letter) {
        case 'o':
            fresh_memory((uint32_t)a);
            ring_open(&ring[0], there, back, (uint32_t)a);
            ring_open(&ring[1], back, there, (uint32_t)a);
            shell_say(1);
            break;
        case 's':
            message = carrying(b);
            shell_say(ring_try_send(&ring[a], &message));
            break;
        case 'r':
            shell_say(ring_try_receive(&ring[a], &message) ? carried(&message) : -1);
            break;
        case 'w':
            shell_say(stream(a, b));
            break;
        case 'O':
            fresh_memory((uint32_t)a);
            call_open_sender(&sender, there, (uint32_t)a);
            call_open_receiver(&receiver, there, (uint32_t)a);
            shell_say(1);
            break;
        case 'q':
            message = carrying(a);
            shell_say(call_try_send(&sender, &message));
            break;
        case 'g':
            line = call_try_receive(&receiver, &message);
            shell_say(line < 0 ? -1 : carried(&message));
            break;
        case 'l':
            shell_say(line);
            break;
        case 'p':
            message = carrying(b);
            call_reply(&receiver, (uint32_t)a, &message);
            shell_say(1);
            break;
        case 't':
            shell_say(call_try_take(&sender, (uint32_t)a, &message) ? carried(&message) : -1);
            break;
        default:
            shell_unknown(&operation);
        }
    }
    return 0;
}
