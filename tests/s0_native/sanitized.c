/* The smallest program under the sanitizer: does it run here? */
int main(void)
{
    return 0;
}
